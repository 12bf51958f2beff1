import { type PointerEvent as ReactPointerEvent, type RefObject, useState } from "react";

/** So far must the pointer go before it is a drag and not a press. */
const SLACK_PX = 5;

/** Dragging items of a list by a handle, with mouse, pen or finger. `over` is where the item would land. */
export function useReorder(list: RefObject<HTMLElement | null>, count: number, onMove: (from: number, to: number) => void) {
  const [dragging, setDragging] = useState<number | null>(null);
  const [over, setOver] = useState<number | null>(null);
  const start = (from: number, event: ReactPointerEvent<HTMLElement>) => {
    if (event.button !== 0) return;
    const handle = event.currentTarget;
    const began = event.clientY;
    let target = from;
    let moving = false;
    handle.setPointerCapture(event.pointerId);
    const moved = (pointer: PointerEvent) => {
      moving ||= Math.abs(pointer.clientY - began) > SLACK_PX;
      if (!moving) return;
      const items = [...(list.current?.children ?? [])].slice(0, count);
      target = landing(items, from, pointer.clientY);
      // At the edge of what can be seen, the list goes along.
      items[target]?.firstElementChild?.scrollIntoView({ block: "nearest" });
      setDragging(from);
      setOver(target);
    };
    const ended = (pointer: Event) => {
      handle.removeEventListener("pointermove", moved);
      handle.removeEventListener("pointerup", ended);
      handle.removeEventListener("pointercancel", ended);
      setDragging(null);
      setOver(null);
      if (moving && pointer.type === "pointerup") onMove(from, target);
    };
    handle.addEventListener("pointermove", moved);
    handle.addEventListener("pointerup", ended);
    handle.addEventListener("pointercancel", ended);
  };
  return { dragging, over, start };
}

/** The index that an item would have at this height. */
function landing(items: readonly Element[], from: number, y: number): number {
  const middles = items.map((item) => {
    const box = item.getBoundingClientRect();
    return box.top + box.height / 2;
  });
  return middles.filter((middle, index) => index !== from && middle < y).length;
}
