import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { type Deed, doToIncident, incidentQuery } from "@/api/incidents";
import type { IncidentView } from "@/api/types";
import { FormDialog } from "@/components/FormDialog";
import { TextArea } from "@/components/TextArea";
import { plural } from "@/lib/format";

const WORDS: Record<Deed, { title: string; action: string; hint: string }> = {
  acknowledge: { title: "Take this incident in hand?", action: "Acknowledge", hint: "Such as what you look at, or whom you called" },
  unacknowledge: { title: "Give this incident back?", action: "Give back", hint: "Such as what is left to do" },
  resolve: { title: "Say that this incident is over?", action: "Resolve the incident", hint: "Such as what it was, or why nobody has to check again" },
};

/** Asks for a word to the colleagues before the deed. */
export function DeedDialog({ incident, deed, onClose }: { incident: IncidentView; deed: Deed; onClose: () => void }) {
  const queries = useQueryClient();
  const [note, setNote] = useState("");
  const { title, action, hint } = WORDS[deed];
  const submit = async () => {
    const after = await doToIncident(incident.incident_id, deed, note);
    queries.setQueryData(incidentQuery(incident.incident_id).queryKey, after);
    void queries.invalidateQueries({ queryKey: ["incidents"] });
    void queries.invalidateQueries({ queryKey: ["incident", incident.incident_id, "keys"] });
    onClose();
  };
  return (
    <FormDialog title={title} action={action} fields={["note"]} onSubmit={submit} onClose={onClose}>
      {(errors) => (
        <>
          <p>{about(incident, deed)}</p>
          <TextArea label="Note" hint={`${hint}. It may stay empty.`} error={errors.note} value={note} maxLength={1000} rows={3} onChange={(event) => setNote(event.target.value)} />
        </>
      )}
    </FormDialog>
  );
}

function about({ keys_open }: IncidentView, deed: Deed): string {
  if (deed === "acknowledge") return "Everybody sees that you look after it, and nobody is reminded of it. It still resolves by itself.";
  if (deed === "unacknowledge") return "It waits for somebody again, and rules remind of it.";
  const left = keys_open === 1 ? "One key has not passed since; it is" : `${plural(keys_open, "key")} have not passed since; they are`;
  return `${left} let go. If a newer run meets the same cause, the incident opens again.`;
}
