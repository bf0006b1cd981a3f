// Names given by people and devices: characters that hide or reverse text are shown as their code.

// Controls, line separators, marks of direction, characters without a width; joiners where no script needs them.
const HIDDEN = /[\p{Cc}\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff]|(?<=^|[\u0020-\u024f\u200b-\u200d\u2060])[\u200c\u200d]/gu;

/** The name with `[U+202E]` where such a character stands: it neither changes the order of the others nor hides. */
export function shown(name: string): string {
  return name.replace(HIDDEN, (one) => `[U+${one.codePointAt(0)!.toString(16).toUpperCase().padStart(4, "0")}]`);
}

/** Whether somebody typed a name to confirm it: as it is, as it shows, or without what no keyboard has. */
export function isTyped(typed: string, name: string): boolean {
  return [name, shown(name), name.replace(HIDDEN, "")].some((one) => one.trim() === typed.trim());
}
