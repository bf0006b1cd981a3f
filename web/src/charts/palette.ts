// Colours of canvases (distinguishable also with colour blindness: a test computes it); lines also differ by dash.
export interface Palette {
  lines: string[];
  band: string[];
  grid: string;
  text: string;
  surface: string;
  gap: string;
  compare: string;
  alert: Record<"critical" | "warning" | "info", string>;
  tint: Record<"critical" | "warning" | "info", string>;
  window: string;
}

const LIGHT: Palette = {
  lines: ["#0b5cad", "#a3480b"],
  band: ["rgba(11,92,173,0.18)", "rgba(163,72,11,0.16)"],
  grid: "#e4e9ee",
  text: "#4c5966",
  surface: "#ffffff",
  gap: "rgba(76,89,102,0.30)",
  compare: "#7d8a94",
  alert: { critical: "#8a210e", warning: "#915e04", info: "#0b5cad" },
  tint: { critical: "rgba(213,94,0,0.13)", warning: "rgba(230,159,0,0.16)", info: "rgba(11,92,173,0.10)" },
  window: "rgba(122,106,154,0.35)",
};

const DARK: Palette = {
  lines: ["#6cb6ff", "#f0a35e"],
  band: ["rgba(108,182,255,0.20)", "rgba(240,163,94,0.18)"],
  grid: "#28323c",
  text: "#a5b1bd",
  surface: "#171e26",
  gap: "rgba(165,177,189,0.32)",
  compare: "#b7bec5",
  alert: { critical: "#ef6d41", warning: "#f9d05f", info: "#6cb6ff" },
  tint: { critical: "rgba(255,138,92,0.16)", warning: "rgba(242,189,63,0.14)", info: "rgba(108,182,255,0.12)" },
  window: "rgba(185,166,224,0.35)",
};

export function palette(dark: boolean): Palette {
  return dark ? DARK : LIGHT;
}
