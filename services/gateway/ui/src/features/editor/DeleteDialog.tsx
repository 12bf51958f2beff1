import { useQueryClient } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { deleteProcess } from "@/api/editing";
import type { ProcessView } from "@/api/types";
import { ConfirmDialog } from "@/components/ConfirmDialog";

/** Deleting asks first. A process that somebody else changed meanwhile is not deleted. */
export function DeleteDialog({ process, onClose }: { process: ProcessView; onClose: () => void }) {
  const queries = useQueryClient();
  const navigate = useNavigate();
  const confirm = async () => {
    await deleteProcess(process.process_id, process.revision);
    for (const resource of ["processes", "overview", "facets"]) void queries.invalidateQueries({ queryKey: [resource] });
    await navigate({ to: "/processes", search: {}, ignoreBlocker: true });
    queries.removeQueries({ queryKey: ["process", process.process_id] });
  };
  return (
    <ConfirmDialog title={`Delete “${process.name}”?`} action="Delete" onConfirm={confirm} onClose={onClose}>
      <p>It is checked no more. Its revisions and its runs stay where they are recorded.</p>
    </ConfirmDialog>
  );
}
