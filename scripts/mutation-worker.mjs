// The process that runs the tests for mutation-check.mjs: asked by message, in the copy that is its working directory.
import { runCLI } from 'jest';

process.on('message', async ({ test, only }) => {
  const options = { _: [test], $0: '', runInBand: true, silent: true, reporters: [], watchman: false };
  const { results } = await runCLI({ ...options, ...(only && { testNamePattern: only }) }, [process.cwd()]);
  const broken = results.testResults.find(({ testExecError }) => testExecError !== undefined);
  process.send({ passed: results.numPassedTests, failed: results.numFailedTests, problem: broken?.failureMessage?.slice(0, 500) });
});
