// Small pictures drawn by paths: no font, no request. Each is decoration; its meaning stands beside it as a word.
const PATHS: Record<string, string> = {
  overview: "M3 3h8v10H3zM13 3h8v6h-8zM13 11h8v10h-8zM3 15h8v6H3z",
  devices: "M3 5h18v11H3zM8 20h8M12 16v4",
  alerts: "M12 3a6 6 0 0 0-6 6v5l-2 3h16l-2-3V9a6 6 0 0 0-6-6M10 20a2 2 0 0 0 4 0",
  commands: "M4 5l6 6-6 6M12 18h8",
  software: "M12 3l8 4.5v9L12 21l-8-4.5v-9zM4 7.5l8 4.5 8-4.5M12 12v9",
  maintenance: "M14 6a4 4 0 0 1 5-3l-2.6 2.6 2 2L21 5a4 4 0 0 1-5.4 5L8 17.6a2 2 0 1 1-2.8-2.8L13 7",
  rules: "M4 6h10M18 6h2M4 12h2M10 12h10M4 18h10M18 18h2M16 4v4M8 10v4M16 16v4",
  registration: "M12 5v14M5 12h14",
  gateways: "M4 12h16M12 4v16M4 4h16",
  agents: "M4 7h16M4 12h16M4 17h10",
  storage: "M4 6c0-4 16-4 16 0v12c0 4-16 4-16 0zM4 6c0 4 16 4 16 0M4 12c0 4 16 4 16 0",
  search: "M11 4a7 7 0 1 0 0 14 7 7 0 0 0 0-14M16 16l5 5",
  close: "M5 5l14 14M19 5L5 19",
  copy: "M8 8h12v12H8zM16 8V4H4v12h4",
  back: "M15 5l-7 7 7 7",
  next: "M9 5l7 7-7 7",
  down: "M5 9l7 7 7-7",
  more: "M5 12h.01M12 12h.01M19 12h.01",
  columns: "M4 4h16v16H4zM10 4v16M15 4v16",
  print: "M6 9V3h12v6M6 17H3V9h18v8h-3M7 14h10v7H7z",
  download: "M12 3v12M7 11l5 5 5-5M4 20h16",
  link: "M10 14a4 4 0 0 0 6 0l4-4a4 4 0 0 0-6-6l-1 1M14 10a4 4 0 0 0-6 0l-4 4a4 4 0 0 0 6 6l1-1",
  table: "M3 5h18v14H3zM3 10h18M3 15h18M9 5v14",
  image: "M3 5h18v14H3zM3 16l5-5 4 4 3-3 6 5M15 9h.01",
  user: "M12 4a4 4 0 1 0 0 8 4 4 0 0 0 0-8M4 21c0-9 16-9 16 0",
  theme: "M12 3a9 9 0 1 0 0 18zM12 3a9 9 0 0 1 0 18",
  globe: "M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18M3 12h18M12 3c-5 5-5 13 0 18M12 3c5 5 5 13 0 18",
  clock: "M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18M12 7v5l4 2",
  refresh: "M20 11a8 8 0 1 0-2 7M20 4v7h-7",
  filter: "M3 5h18l-7 8v6l-4 2v-8z",
  code: "M8 6l-6 6 6 6M16 6l6 6-6 6",
  help: "M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18M9.5 9.5c0-4 5-3 5-.5 0 2-2.5 2-2.5 4M12 16.5h.01",
};

export function Icon({ name, size = 16 }: { name: string; size?: number }) {
  return (
    <svg class="icon" width={size} height={size} viewBox="0 0 24 24" aria-hidden="true">
      <path d={PATHS[name] ?? ""} />
    </svg>
  );
}
