import type { ReactNode } from "react";

const SHAPES = {
  check: <path d="m3.5 8.5 3 3 6-7" />,
  cross: <path d="m4.5 4.5 7 7m0-7-7 7" />,
  clock: (
    <>
      <circle cx="8" cy="8" r="5.6" />
      <path d="M8 4.8V8l2.2 1.5" />
    </>
  ),
  hourglass: <path d="M4.5 2.5h7m-7 11h7M5.2 2.5c0 3 2.8 3.6 2.8 5.5S5.2 10.5 5.2 13.500m5.6-11c0 3-2.8 3.6-2.8 5.500s2.8 2.5 2.8 5.5" />,
  bang: <path d="M8 3v6m0 3.2v.3" />,
  question: <path d="M5.8 5.900a2.3 2.3 0 1 1 3.3 2.100C8.3 8.4 8 8.9 8 9.700m0 2.600v.2" />,
  dash: <path d="M4.5 8h7" />,
  circle: <circle cx="8" cy="8" r="3" />,
  spin: <path d="M8 2.600a5.4 5.4 0 1 1-5.4 5.4" />,
  retry: <path d="M12.8 8.200A4.9 4.9 0 1 1 11.2 4.500M11.6 2v2.800H8.8" />,
  stop: <path d="M5 5h6v6H5z" />,
  ban: (
    <>
      <circle cx="8" cy="8" r="5.4" />
      <path d="m4.3 4.3 7.4 7.4" />
    </>
  ),
  menu: <path d="M2.5 4.500h11m-11 3.500h11m-11 3.500h11" />,
  search: (
    <>
      <circle cx="7" cy="7" r="4.2" />
      <path d="m10.2 10.2 3.3 3.3" />
    </>
  ),
  person: (
    <>
      <circle cx="8" cy="5.4" r="2.7" />
      <path d="M2.9 13.600c.5-2.7 2.5-4.2 5.1-4.200s4.6 1.5 5.1 4.2" />
    </>
  ),
  link: <path d="M6.6 9.4 9.4 6.600M7.3 4.7 8.8 3.200a2.8 2.8 0 0 1 4 4l-1.5 1.500M8.7 11.300l-1.5 1.500a2.8 2.8 0 0 1-4-4l1.5-1.5" />,
  out: <path d="M9 3h4v4m0-4L7.5 8.500M11.5 9.500V13h-8.500V4.500h3.5" />,
  down: <path d="m4 6.2 4 4 4-4" />,
  right: <path d="m6.2 4 4 4-4 4" />,
  up: <path d="m4 9.8 4-4 4 4" />,
  play: <path d="M5.5 3.5 12 8l-6.5 4.500z" />,
  screen: <path d="M2.2 3.200h11.600v7.600H2.200zM5.5 13.300h5" />,
  calendar: <path d="M2.8 4h10.400v9H2.800zm0 3h10.400M5.5 2.500V5m5-2.500V5" />,
  terminal: <path d="m3.5 5 3 3-3 3m4.5 0h4.5" />,
  plug: <path d="M6 2.500V5m4-2.500V5M4.2 5h7.600v2.500a3.8 3.8 0 0 1-7.6 0zM8 11.300v2.2" />,
  hand: <path d="M8 2.500v7m-3.5-3L8 9.800l3.5-3.300M3.5 13h9" />,
  copy: <path d="M5.5 5.500h7.500v8H5.500zM3 10.500v-8h7.5" />,
  filter: <path d="M2.5 3.500h11L9.2 8.500v4l-2.4 1v-5z" />,
  keyboard: <path d="M1.8 4h12.400v8H1.800zM4.5 6.700h.1m2.2 0h.1m2.2 0h.1m2.2 0h.1M5 9.500h6" />,
  plus: <path d="M8 3.500v9M3.5 8h9" />,
  trash: <path d="M3 4.500h10M6.500 4.500V2.800h3v1.700M4.500 4.500l.6 8.700h5.800l.6-8.700M6.800 7v3.800M9.200 7v3.800" />,
  grip: <path d="M6 4v.1M10 4v.1M6 8v.1M10 8v.1M6 12v.1M10 12v.1" strokeWidth={2.2} />,
  pencil: <path d="m3 13 .7-3L10.500 3.200l2.300 2.300L6 12.300zM9 4.700 11.300 7" />,
  lock: <path d="M4 7.500h8v6H4zM5.700 7.500V5.300a2.3 2.3 0 0 1 4.600 0v2.200" />,
  shield: <path d="M8 2.200 13 4v4c0 3-2.100 5-5 6-2.900-1-5-3-5-6V4z" />,
  bell: <path d="M4 11.500V7.300a4 4 0 0 1 8 0v4.200l1 1H3zM6.800 14h2.400" />,
  database: (
    <>
      <ellipse cx="8" cy="4.2" rx="5" ry="2" />
      <path d="M3 4.200v7.600c0 1.100 2.200 2 5 2s5-.9 5-2V4.200M3 8c0 1.100 2.200 2 5 2s5-.9 5-2" />
    </>
  ),
  key: (
    <>
      <circle cx="5.4" cy="10.6" r="2.6" />
      <path d="m7.300 8.700 5.700-5.700m-2.200 2.200 1.800 1.800" />
    </>
  ),
  globe: (
    <>
      <circle cx="8" cy="8" r="5.6" />
      <path d="M2.400 8h11.200M8 2.400c1.800 1.600 2.600 3.500 2.600 5.600s-.8 4-2.600 5.600c-1.800-1.600-2.600-3.500-2.600-5.600S6.200 4 8 2.400" />
    </>
  ),
  cloud: <path d="M4.600 12.500h6.900a2.600 2.600 0 0 0 .4-5.200A4 4 0 0 0 4.300 6.600a3 3 0 0 0 .3 5.900" />,
  mail: <path d="M2.300 3.800h11.400v8.400H2.300zm.2.400L8 8.600l5.500-4.400" />,
  dots: <path strokeWidth={2.4} d="M3.500 8h.01M8 8h.01M12.500 8h.01" />,
  pause: <path d="M5.500 3.500v9m5-9v9" />,
  file: <path d="M4 2.500h5.500L12 5v8.500H4zm5.5 0V5H12" />,
} satisfies Record<string, ReactNode>;

export type IconName = keyof typeof SHAPES;

/** A small drawing beside words; it never carries meaning alone, so readers skip it. */
export function Icon({ name, size = 16, className }: { name: IconName; size?: number; className?: string }) {
  return (
    <svg
      className={className}
      width={size}
      height={size}
      viewBox="0 0 16 16"
      fill="none"
      stroke="currentColor"
      strokeWidth={1.6}
      strokeLinecap="round"
      strokeLinejoin="round"
      aria-hidden="true"
    >
      {SHAPES[name]}
    </svg>
  );
}

export function Logo({ size = 20 }: { size?: number }) {
  return (
    <svg width={size} height={size} viewBox="0 0 20 20" fill="none" stroke="var(--accent)" strokeWidth={2} aria-hidden="true">
      <circle cx="4" cy="16" r="2.4" />
      <circle cx="10" cy="10" r="2.4" />
      <circle cx="16" cy="4" r="2.4" fill="var(--accent)" />
      <path d="M5.8 14.2 8.2 11.8M11.8 8.2 14.2 5.8" />
    </svg>
  );
}
