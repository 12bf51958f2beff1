import { useWindowVirtualizer } from "@tanstack/react-virtual";
import { type ReactNode, useEffect, useLayoutEffect, useRef, useState } from "react";
import styles from "./LongList.module.css";

type Props<T> = {
  items: readonly T[];
  keyOf: (item: T) => string;
  /** Height of an item in pixels before it is measured. */
  estimate: number;
  children: (item: T) => ReactNode;
  /** Called when the last items come near; undefined when there is nothing more. */
  onNearEnd?: () => void;
};

/** Lists up to this length are drawn whole: the browser's own search and printing reach every item. */
const WHOLE = 60;
const AHEAD = 8;

/** A list of any length: of a long one only the items near the window are drawn. */
export function LongList<T>(props: Props<T>) {
  return props.items.length <= WHOLE && !props.onNearEnd ? (
    <ul>
      {props.items.map((item) => (
        <li key={props.keyOf(item)}>{props.children(item)}</li>
      ))}
    </ul>
  ) : (
    <Window {...props} />
  );
}

function Window<T>({ items, keyOf, estimate, children, onNearEnd }: Props<T>) {
  const list = useRef<HTMLUListElement>(null);
  const [top, setTop] = useState(0);
  useLayoutEffect(() => {
    setTop((list.current?.getBoundingClientRect().top ?? 0) + window.scrollY);
  }, []);
  const virtual = useWindowVirtualizer({
    count: items.length,
    estimateSize: () => estimate,
    getItemKey: (index) => keyOf(items[index]!),
    overscan: AHEAD,
    scrollMargin: top,
  });
  const shown = virtual.getVirtualItems();
  const last = shown.at(-1)?.index ?? 0;
  useEffect(() => {
    if (last >= items.length - AHEAD * 2) onNearEnd?.();
  }, [last, items.length, onNearEnd]);
  const above = (shown[0]?.start ?? top) - top;
  const below = Math.max(0, virtual.getTotalSize() + top - (shown.at(-1)?.end ?? top));
  return (
    <ul ref={list} style={{ paddingTop: above, paddingBottom: below }}>
      {shown.map((row) => (
        <li key={row.key} className={styles.item} ref={virtual.measureElement} data-index={row.index} aria-setsize={onNearEnd ? -1 : items.length} aria-posinset={row.index + 1}>
          {children(items[row.index]!)}
        </li>
      ))}
    </ul>
  );
}
