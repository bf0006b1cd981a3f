// A chart as a picture, with its title and range above it.
import { save } from "../lib/csv";
import { fullTime } from "../lib/format";
import { shown } from "../lib/names";
import { isDark } from "../lib/settings";
import type { ChartProps } from "./chart";
import { palette } from "./palette";

const HEAD = 44; // CSS pixels

export function savePng(figure: HTMLElement | null, props: ChartProps): void {
  const drawn = figure?.querySelector("canvas");
  if (!drawn) return;
  const colors = palette(isDark());
  const scale = devicePixelRatio;
  const sheet = document.createElement("canvas");
  sheet.width = drawn.width;
  sheet.height = drawn.height + HEAD * scale;
  const pen = sheet.getContext("2d");
  if (!pen) return;
  pen.fillStyle = colors.surface;
  pen.fillRect(0, 0, sheet.width, sheet.height);
  pen.fillStyle = colors.text;
  pen.font = `600 ${13 * scale}px system-ui, sans-serif`;
  pen.fillText(shown(`${props.title} · ${props.name}`), 10 * scale, 18 * scale);
  pen.font = `${11 * scale}px system-ui, sans-serif`;
  pen.fillText(`${fullTime(props.from)} – ${fullTime(props.to)}`, 10 * scale, 35 * scale);
  pen.drawImage(drawn, 0, HEAD * scale);
  sheet.toBlob((blob) => blob && save(`${props.name}.png`, blob, "image/png"), "image/png");
}
