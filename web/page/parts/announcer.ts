/** Has screen readers say a text, also if it is the same as before. */
export function announcer(element: HTMLElement): (text: string) => void {
  return (text) => {
    element.textContent = '';
    requestAnimationFrame(() => { element.textContent = text; });
  };
}
