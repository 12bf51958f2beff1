import { Button } from "@/components/Button";
import { Icon } from "@/components/Icon";
import { Menu, MenuLink } from "@/components/Menu";
import { urls } from "@/lib/urls";

/** The run to take along: on paper, for a ticket, for programs. */
export function ExportMenu({ runId }: { runId: string }) {
  return (
    <Menu
      trigger={
        <Button>
          Export <Icon name="down" size={14} />
        </Button>
      }
    >
      <MenuLink href={urls.report(runId)} download hint="PDF">
        Report
      </MenuLink>
      <MenuLink href={urls.bundle(runId)} download hint="zip">
        Run with evidence
      </MenuLink>
      <MenuLink href={urls.runJson(runId)} download={`steptrail-run-${runId}.json`} hint="JSON">
        Run
      </MenuLink>
    </Menu>
  );
}
