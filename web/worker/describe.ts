/** Says what a file of size bytes looks like that begins with head, for messages. */
export function describe(head: Uint8Array, size = head.length) {
  const text = String.fromCharCode(...head.subarray(0, 40)).replace(/[^ -~]+/g, '.');
  return size ? `${size} bytes that begin with "${text}"` : 'an empty file';
}

const SAVE = 'save it as JPEG or PNG';

// Kinds of files by the beginning of their Latin-1 text, and what can be done about each.
const KINDS: [RegExp, string][] = [
  [/^....ftyp(he[ivx]|mif1|msf1)/s, `this browser cannot read HEIC photographs: ${SAVE}`],
  [/^....ftypavi/s, `it is damaged, or this browser cannot read AVIF: ${SAVE}`],
  [/^....(ftyp|moov|mdat|wide)|^\x1aE\xdf\xa3|^RIFF....AVI |^OggS|^FLV|^\0\0\x01[\xb3\xba]/s,
    'this is a video: play it in a video element, and pass that'],
  [/^(%!PS|.{0,1000}%PDF-)/s, 'this is a document: save its page as JPEG or PNG'],
  [/^(II[*+]\0|MM\0[*+]|IIRO|IIU\0|FUJIFILMCCD)/, `this browser cannot read TIFF, nor a camera's raw data: ${SAVE}`],
  [/^(\xff\x0a|\0\0\0\x0c(JXL|jP) |\xff\x4f\xff\x51)/, `this browser cannot read JPEG XL or JPEG 2000: ${SAVE}`],
  [/^8BP[SB]/, `this is a Photoshop file: ${SAVE}`],
  [/^(PK\x03\x04|\x1f\x8b|7z\xbc\xaf|Rar!|BZh)/, 'this is an archive: unpack it first'],
  [/^(\xef\xbb\xbf)?\s*(<\?xml.*?\?>\s*)?(<[!]--.*?-->\s*)*<(!doctype\s+html|html|head|body|script)\b/is,
    'this is a web page: pass the address of the picture itself'],
  [/^(\xef\xbb\xbf)?\s*(<.*)?<svg[\s/>]/is, 'an SVG drawing has no pixels: draw it on a canvas and pass that'],
  [/^(\xff\xd8\xff|.PNG|GIF8|BM|RIFF....WEBP)/s, `it is damaged, or uses what this browser does not read: ${SAVE}`],
  [/^(\xef\xbb\xbf)?[\t\n\r -~\x80-\xff]+$/, 'this is text: pass a picture file'],
];

/** Says what to do about a file that begins with head and cannot be decoded. */
export function advice(head: Uint8Array) {
  const text = String.fromCharCode(...head.subarray(0, 4096));
  return KINDS.find(([begin]) => begin.test(text))?.[1]
    ?? 'it is damaged or of a kind this browser does not read: use JPEG, PNG, WebP, GIF or BMP';
}
