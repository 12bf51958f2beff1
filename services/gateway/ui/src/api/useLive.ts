import { useSyncExternalStore } from "react";
import { type LiveState, liveStream } from "./live";

/** Whether events arrive. */
export function useLiveState(): LiveState {
  return useSyncExternalStore(
    (listener) => liveStream.onState(listener),
    () => liveStream.state,
  );
}
