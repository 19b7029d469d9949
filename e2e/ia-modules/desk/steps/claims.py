"""Steps on the classes of IA Modules, as its users write them."""

import asyncio
from importlib.metadata import version
from typing import Any, Dict

from ia_modules.pipeline.core import Step
from ia_modules.pipeline.errors import NetworkError
from ia_modules.pipeline.streaming import StreamEvent


class ReadClaims(Step):
    async def run(self, data: Dict[str, Any]) -> Dict[str, Any]:
        total = int(self.config["claims"])
        for claim in range(1, total + 1):
            await asyncio.sleep(0.2)
            await self.emit_progress(claim / total, f"Claim {claim} of {total}")
        return {"claims": total, "package": version("ia-modules")}


class AskOffice(Step):
    """The office does not answer at first; its error is one of the package's."""

    calls = 0

    async def run(self, data: Dict[str, Any]) -> Dict[str, Any]:
        AskOffice.calls += 1
        if AskOffice.calls == 1:
            raise NetworkError("the office is closed", step_id=self.name)
        self.logger.info("the office answered at call %d", AskOffice.calls)
        return {"confidence": 0.5}


class WriteLetter(Step):
    async def run(self, data: Dict[str, Any]) -> Dict[str, Any]:
        words = f"Dear claimant, {data['claims']} claims are {'refused' if self.config.get('kind') else 'paid'}.".split(" ")
        for place, word in enumerate(words):
            await asyncio.sleep(0.15)
            token = word if place == 0 else f" {word}"
            await self.streaming_context.emit(StreamEvent("step_progress", data={"kind": "token", "text": token}))
        return {"letter": " ".join(words)}
