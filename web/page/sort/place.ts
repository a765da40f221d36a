/** How the visitor looks at the pictures of Sort. */
export interface Place {
  layout: 'grid' | 'table';
  order: 'given' | 'name' | 'label' | 'confidence' | 'pixels' | 'bytes';
  isDown: boolean; // from the greatest to the least
  show: 'all' | 'unsure' | 'corrected' | 'failed' | 'twins';
  key: number | null; // what the pictures are; null for anything
  text: string; // in their names or labels
  isGrouped: boolean; // by what they are
  like: number | null; // the row to which the others are compared
  chosen: Set<number>;
  active: number | null; // the row that keys are about
  anchor: number | null; // where a range begins
  isChoosing: boolean; // a tap chooses, and opens nothing
  scroll: number; // of the window
}

export const START: Place = {
  layout: 'grid', order: 'given', isDown: false, show: 'all', key: null, text: '', isGrouped: false, like: null,
  chosen: new Set(), active: null, anchor: null, isChoosing: false, scroll: 0,
};
