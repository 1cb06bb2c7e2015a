/** How notes pass between tabs and leader: two broadcast channels, or the port of a worker. */

/** One end of a line. */
export interface Line {
  send(note: unknown): void;
  close(): void;
}

/** One end of the tabs' side, by broadcast. `onNote` gets what the leader says. */
export function broadcastToLeader(group: string, onNote: (note: unknown) => void): Line {
  return broadcast(`${group} up`, `${group} down`, onNote);
}

/** The leader's end. `onNote` gets what the tabs say, its own tab among them. */
export function broadcastToTabs(group: string, onNote: (note: unknown) => void): Line {
  return broadcast(`${group} down`, `${group} up`, onNote);
}

function broadcast(to: string, from: string, onNote: (note: unknown) => void): Line {
  const [sender, receiver] = [new BroadcastChannel(to), new BroadcastChannel(from)];
  receiver.onmessage = ({ data }) => onNote(data);
  let open = true;
  return {
    // What is still under way when the line closes, such as an answer to a publication, has nobody left to go to.
    send: (note) => (open ? sender.postMessage(note) : undefined),
    close: () => {
      open = false;
      sender.close();
      receiver.close();
    },
  };
}

/** Whether this browser has shared workers. */
export function hasWorkers(): boolean {
  return "SharedWorker" in globalThis;
}

/** A tab's end of a line to a worker that leads for all tabs of the group. `onFailure`: its script cannot be run. */
export function workerLine(
  script: string | URL,
  group: string,
  onNote: (note: unknown) => void,
  onFailure: () => void,
): Line {
  const worker = new SharedWorker(script, { type: "module", name: group });
  worker.onerror = onFailure;
  worker.port.onmessage = ({ data }) => onNote(data);
  return {
    send: (note) => worker.port.postMessage(note),
    close: () => {
      worker.onerror = null;
      worker.port.close();
    },
  };
}
