"""Make docs/picture/serve.jpg: `python -m tests.serve.screenshot RUN IMAGE IMAGE …`."""

import sys
import tempfile
from io import BytesIO
from pathlib import Path

from PIL import Image
from selenium.webdriver.common.by import By
from selenium.webdriver.support.wait import WebDriverWait

from tests.browser import browser
from tests.processes import Forked, main_of
from tests.serve.test_server import free_port, wait_for

TARGET = Path(__file__).parents[2] / "docs" / "picture" / "serve.jpg"


def screenshot(run: str, images: list[str], target: Path, width: int = 1100) -> None:
    """Drop images on the page of a run, and keep a picture of it."""
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    with (
        Forked().running(main_of, "fae.serve", (f"model={run}", f"port={port}")),
        tempfile.TemporaryDirectory() as profile,
        browser(Path(profile), f"--window-size={width},1340", "--hide-scrollbars") as chrome,
    ):
        wait_for(address)
        wait = WebDriverWait(chrome, 60)
        chrome.get(address)
        field = wait.until(lambda page: page.find_element(By.CSS_SELECTOR, "input[type=file]"))
        field.send_keys("\n".join(str(Path(image).resolve()) for image in images))
        wait.until(lambda page: len(page.find_elements(By.CSS_SELECTOR, ".fae-card")) == len(images))
        loaded = "return [...document.images].every(image => image.complete)"
        wait.until(lambda page: page.execute_script(loaded))
        with Image.open(BytesIO(chrome.get_screenshot_as_png())) as shown:
            shown.convert("RGB").save(target, quality=82, subsampling=0)


if __name__ == "__main__":
    screenshot(sys.argv[1], sys.argv[2:], TARGET)
