"""What child processes need, whoever starts them."""

import os
import threading
import time


def end_with_parent(every: float = 0.5) -> None:
    """End this process soon after its parent has died, so that a killed run leaves nothing running.

    Parameters
    ----------
    every
        Seconds between two looks at the parent.
    """
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(every)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
