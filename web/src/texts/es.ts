import type { Language } from "./en";
export const es: Language = {} as Language;
