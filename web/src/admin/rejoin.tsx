// A registration token for a device that is there already: it keeps its id, name and history.
import { useState } from "preact/hooks";
import { call } from "../api/call";
import type { NewToken } from "../api/pending";
import type { Business } from "../api/schema";
import { texts } from "../texts";
import { ActButton } from "../ui/controls";
import { Dialog } from "../ui/dialog";
import { TokenResult } from "./token";

export function RejoinDialog({ device, close }: { device: { id: string; device_name: string; business: Business }; close: () => void }) {
  const t = texts.value.registration;
  const [token, setToken] = useState<NewToken>();
  const make = async () => setToken(await call<NewToken>("POST", "/api/agents/registration-tokens", { body: { business_id: device.business.id, agent_id: device.id, expires_in_hours: 24 } }));
  return (
    <Dialog title={t.rejoinTitle(device.device_name)} close={close} wide>
      {token ? (
        <TokenResult token={token} />
      ) : (
        <>
          <p>{t.rejoinHelp}</p>
          <footer>
            <ActButton class="primary" act={make}>
              {t.make}
            </ActButton>
          </footer>
        </>
      )}
    </Dialog>
  );
}
