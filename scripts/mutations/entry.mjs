/** @returns what makes entries about one package; `file` and `test` are names without folder and ending */
export function entriesOf(label, folder) {
  return (name, file, find, replace, test, only) => ({
    name: `${label}: ${name}`,
    file: `${folder}/src/${file}.ts`,
    find,
    replace,
    test: `${folder}/test/${test}.test.ts`,
    only,
  });
}

/** The same, where one test file has to notice all of them. */
export function entriesIn(label, folder, test) {
  const entry = entriesOf(label, folder);
  return (name, file, find, replace, only) => entry(name, file, find, replace, test, only);
}
