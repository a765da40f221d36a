/** A file that the visitor has given. It is read when its turn comes, and may be another by then, or gone. */
export interface Entry {
  /** Where it lies in what was given, with '/' between folders; the last part is its name. */
  readonly path: string;
  /** The file as it is now. Rejects if it has vanished or may not be read. */
  file(): Promise<File>;
}
