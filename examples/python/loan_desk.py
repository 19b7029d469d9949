"""Steps of a loan desk. They run with IA Modules installed, and without."""

import asyncio
import random
from typing import Any, Dict

from ia_modules.pipeline.core import Step


class IntakeStep(Step):
    async def run(self, data: Dict[str, Any]) -> Dict[str, Any]:
        dice = random.Random(self.config["seed"])
        names = ["Ada", "Grace", "Edsger", "Barbara", "Alan", "Margaret", "Donald", "Radia"]
        applications = [
            {
                "number": number,
                "name": dice.choice(names),
                "income": dice.randrange(18, 90) * 1000,
                "wanted": dice.randrange(2, 60) * 1000,
            }
            for number in range(1, int(self.config["count"]) + 1)
        ]
        self.logger.info("%d applications have come in", len(applications))
        return {"applications": applications}


class RateStep(Step):
    async def run(self, data: Dict[str, Any]) -> Dict[str, Any]:
        applications = data["applications"]
        granted, refused = [], []
        for done, application in enumerate(applications, start=1):
            await asyncio.sleep(self.config["pause_seconds"])
            if done == len(applications) // 2 and not Bureau.answered:
                Bureau.answered = True
                raise ConnectionError("the credit bureau did not answer")
            ratio = application["wanted"] / application["income"]
            (granted if ratio < 0.8 else refused).append(application["number"])
            await self.emit_progress(done / len(applications), f"{application['name']}: {ratio:.0%} of a year's income")
        return {"granted": granted, "refused": refused}


class Bureau:
    """It fails once in the life of a worker, so that a retry can be seen."""

    answered = False


class LetterStep(Step):
    async def run(self, data: Dict[str, Any]) -> Dict[str, Any]:
        for application in data["applications"]:
            verdict = "is granted" if application["number"] in data["granted"] else "cannot be granted"
            letter = f"Dear {application['name']}, your loan of {application['wanted']:,} {verdict}. {self.config['signed']}\n"
            for word in letter.split(" "):
                await self.emit_token(word if word.endswith("\n") else word + " ")
                await asyncio.sleep(0.02)
        return {"letters": len(data["applications"])}
