// The Huffman code of HTTP/2 headers (RFC 7541, section 5.2 and appendix B), decoded four bits at a time.

/** The code is canonical (shorter codes first, then by symbol): the lengths of the codes of 0 to 255 and the end are all of it. */
// prettier-ignore
const codeLengths = [
  13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 28,
  6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10,
  13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6,
  15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, 6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28,
  20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23, 24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24,
  22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23,
  26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25, 19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27,
  20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23, 26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26,
  30,
];
const endSymbol = 256;
const maxLength = 30;

/** Inner nodes by number, the root is 0: what follows a 0 and a 1. A symbol is kept as its complement, which is negative. */
function codeTree(): [number, number][] {
  const nodes: [number, number][] = [[0, 0]];
  let code = 0;
  for (let length = 1; length <= maxLength; length++, code *= 2) {
    for (let symbol = 0; symbol <= endSymbol; symbol++) {
      if (codeLengths[symbol] !== length) continue;
      let node = 0;
      for (let bit = length - 1; bit > 0; bit--) {
        const side = (code >>> bit) & 1;
        const next = nodes[node]![side]! || nodes.push([0, 0]) - 1;
        nodes[node]![side] = next;
        node = next;
      }
      nodes[node]![code & 1] = ~symbol;
      code++;
    }
  }
  return nodes;
}

const hasSymbol = 0x100;
const refused = -1;

/** From a node and four bits to the next node, with `hasSymbol` and the symbol above that where one is complete. */
function stepsOf(nodes: readonly [number, number][]): Int32Array {
  const steps = new Int32Array(nodes.length * 16);
  for (let start = 0; start < nodes.length; start++) {
    for (let bits = 0; bits < 16; bits++) {
      let node = start;
      let step = 0;
      for (let bit = 3; bit >= 0 && step !== refused; bit--) {
        const next = nodes[node]![(bits >>> bit) & 1]!;
        node = Math.max(next, 0);
        if (next === ~endSymbol) step = refused;
        else if (next < 0) step = hasSymbol | (~next << 9);
      }
      steps[start * 16 + bits] = step === refused ? refused : step | node;
    }
  }
  return steps;
}

const tree = codeTree();
const steps = stepsOf(tree);
/** Where a string may end: after a symbol or up to seven bits of padding, all of them 1. */
const isEnd = new Uint8Array(tree.length);
for (let node = 0, bits = 0; bits < 8; bits++, node = tree[node]![1]) isEnd[node] = 1;

/** Decodes `source` from `start` to `end` into `target`, which has room for 8/5 of it. The length written, or -1. */
export function decodeHuffman(source: Uint8Array, start: number, end: number, target: Uint8Array): number {
  let node = 0;
  let length = 0;
  for (let at = start; at < end; at++) {
    const byte = source[at]!;
    let step = steps[node * 16 + (byte >>> 4)]!;
    if (step < 0) return -1;
    if (step & hasSymbol) target[length++] = step >>> 9;
    step = steps[(step & 0xff) * 16 + (byte & 15)]!;
    if (step < 0) return -1;
    if (step & hasSymbol) target[length++] = step >>> 9;
    node = step & 0xff;
  }
  return isEnd[node] ? length : -1;
}
