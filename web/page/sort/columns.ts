/** How many of the likeliest classes of a picture are kept. */
export const TOP = 5;

/** What is known of pictures, by row. All zero for a row that is new. */
export class Columns {
  state = new Uint8Array();
  isGone = new Uint8Array();
  isSure = new Uint8Array();
  count = new Uint8Array(); // of classes that are known
  width = new Uint16Array();
  height = new Uint16Array();
  bytes = new Float64Array(); // of the file, or −1
  own = new Int32Array(); // a label by the visitor, as 1 + its key; 0 for none
  classes = new Uint16Array(); // TOP for each row
  probabilities = new Float32Array();

  /** Makes room for so many rows. */
  reserve(rows: number) {
    if (rows <= this.state.length) return;
    const room = Math.max(256, 2 * this.state.length);
    const grown = <T extends Numbers>(column: T, to: T): T => {
      to.set(column);
      return to;
    };
    this.state = grown(this.state, new Uint8Array(room));
    this.isGone = grown(this.isGone, new Uint8Array(room));
    this.isSure = grown(this.isSure, new Uint8Array(room));
    this.count = grown(this.count, new Uint8Array(room));
    this.width = grown(this.width, new Uint16Array(room));
    this.height = grown(this.height, new Uint16Array(room));
    this.bytes = grown(this.bytes, new Float64Array(room));
    this.own = grown(this.own, new Int32Array(room));
    this.classes = grown(this.classes, new Uint16Array(TOP * room));
    this.probabilities = grown(this.probabilities, new Float32Array(TOP * room));
  }
}

type Numbers = Uint8Array | Uint16Array | Int32Array | Float32Array | Float64Array;
