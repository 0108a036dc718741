/** @jest-config-loader esbuild-register */
import type { Config } from 'jest';

const config: Config = {
  testEnvironment: '<rootDir>/scripts/jest-environment.cjs',
  testEnvironmentOptions: { customExportConditions: ['@petrel/source', 'node', 'node-addons'] },
  testMatch: ['<rootDir>/packages/*/test/**/*.test.ts'],
  modulePathIgnorePatterns: ['<rootDir>/packages/.*/dist/'],
  transform: { '\\.[cm]?[jt]s$': '<rootDir>/scripts/jest-esbuild-transform.cjs' },
  transformIgnorePatterns: ['/node_modules/(?!@noble/)'],
  // Some tests simulate hours; on a busy machine the default of five seconds is not enough for them.
  testTimeout: 30_000,
  // Tests with real peers mostly wait: more of them at once than there are cores.
  maxWorkers: 3,
  coverageProvider: 'v8',
};

export default config;
