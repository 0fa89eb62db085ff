"""A browser that opens pages from files, and what it says of them."""

import base64
import contextlib
import json
import os
import shutil
from pathlib import Path

import pytest

WIDE, NARROW = (1280, 900), (360, 740)


def needed():
    """Skip without Chromium and Selenium, but on CI, where they are installed."""
    missing = [name for name in ("chromium", "chromedriver") if shutil.which(name) is None]
    with contextlib.suppress(ImportError):
        import selenium

        if not missing:
            return selenium
    missing = missing or ["the Python package selenium"]
    (pytest.fail if os.environ.get("AURORASCOPE_NEED_CHROMIUM") else pytest.skip)(f"no {', '.join(missing)}: install chromium, chromium-driver and selenium")


class Browser:
    """Chromium without a display, of either colour scheme."""

    def __init__(self):
        needed()
        from selenium import webdriver
        from selenium.webdriver.chrome.service import Service

        options = webdriver.ChromeOptions()
        options.binary_location = shutil.which("chromium")
        for each in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--hide-scrollbars"):
            options.add_argument(each)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        self.driver = webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver")))
        self.driver.set_script_timeout(30)
        self.size(WIDE)

    def size(self, size, dark=False):
        width, height = size
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False})
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})

    def open(self, path, fragment=""):
        # Leaving first, so that a new fragment of the same page is a new page.
        self.driver.get("about:blank")
        self.driver.get(path.as_uri() + fragment)

    def run(self, script, *arguments):
        return self.driver.execute_script(script, *arguments)

    def wait(self, script, *arguments):
        """Until a script's answer is true; returns the answer."""
        from selenium.webdriver.support.ui import WebDriverWait

        return WebDriverWait(self.driver, 20, 0.05).until(lambda driver: driver.execute_script(f"return {script}", *arguments))

    def press(self, *keys):
        from selenium.webdriver.common.action_chains import ActionChains

        ActionChains(self.driver).send_keys(*keys).perform()

    def type_into(self, selector, text):
        from selenium.webdriver.common.by import By

        found = self.driver.find_element(By.CSS_SELECTOR, selector)
        found.clear()
        found.send_keys(text)

    def choose(self, selector, value):
        self.run("const s = document.querySelector(arguments[0]); s.value = arguments[1]; s.dispatchEvent(new Event('input', { bubbles: true }));"
                 "s.dispatchEvent(new Event('change', { bubbles: true }))", selector, value)

    def click(self, selector):
        from selenium.webdriver.common.by import By

        found = self.driver.find_element(By.CSS_SELECTOR, selector)
        self.run("arguments[0].scrollIntoView({ block: 'center' })", found)
        found.click()

    def complaints(self):
        """All that the console said since it was last asked."""
        return [each["message"] for each in self.driver.get_log("browser")]

    def asked(self):
        """All addresses that pages asked for since it was last asked."""
        events = [json.loads(each["message"])["message"] for each in self.driver.get_log("performance")]
        return [each["params"]["request"]["url"] for each in events if each["method"] == "Network.requestWillBeSent"]

    def shoot(self, name):
        """The whole page as a PNG, where the environment names a folder for it."""
        folder = os.environ.get("AURORASCOPE_SCREENSHOTS")
        if folder:
            width, height = self.run("return [innerWidth, Math.min(6000, document.documentElement.scrollHeight)]")
            clip = {"x": 0, "y": 0, "width": width, "height": height, "scale": 1}
            shot = self.driver.execute_cdp_cmd("Page.captureScreenshot", {"captureBeyondViewport": True, "clip": clip})
            Path(folder).mkdir(parents=True, exist_ok=True)
            (Path(folder) / f"{name}.png").write_bytes(base64.b64decode(shot["data"]))
