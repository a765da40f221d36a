/** Says which key of options is not among names, and which of these is nearest; undefined if all are known. */
export function unknownOption(options: object, names: readonly string[]): string | undefined {
  const unknown = Object.keys(options).find((name) => !names.includes(name));
  if (unknown === undefined) return undefined;
  const [nearest] = [...names].sort((a, b) => distance(unknown, a) - distance(unknown, b));
  return `${unknown.slice(0, 100)}: no such option; did you mean ${nearest}? There are ${names.join(', ')}`;
}

// Levenshtein's distance between two names, whatever their case.
function distance(a: string, b: string) {
  a = a.slice(0, 100).toLowerCase();
  b = b.toLowerCase();
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      next[j] = Math.min(next[j - 1] + 1, row[j] + 1, row[j - 1] + (a[i - 1] === b[j - 1] ? 0 : 1));
    }
    row = next;
  }
  return row[b.length];
}
