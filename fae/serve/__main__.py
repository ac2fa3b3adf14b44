"""`python -m fae.serve model=DIR`: a page and an API where people try a detector on their own pictures."""

from ipaddress import ip_address
from pathlib import Path

from omegaconf import DictConfig

from fae.cli import command as cli
from fae.machine.extra import extra


def serve(cfg: DictConfig) -> None:
    """Serve a run's folder or an exported folder until Ctrl-C.

    Args:
        cfg: configuration composed from conf/serve/serve.yaml.

    Raises:
        ValueError: `model` is neither, a limit is not positive, or the port cannot be used.
        OSError: the cache cannot be written.
        MissingExtraError: the extra `serve` is not installed, or an export's engine.
    """
    with extra("serve"):
        from fae.serve.server import application, listening, run, workplace
    from fae.serve.model import load_model

    for key in ("max_megapixels", "max_upload_mb"):
        if not cfg[key] > 0:
            raise ValueError(f"{key} (={cfg[key]:g}) must be positive; 50 is a common value")
    with listening(cfg.host, cfg.port) as opened:
        model = load_model(Path(cfg.model), cfg.evaluation)
        with workplace(Path(cfg.cache_dir)):
            app = application(model, cfg.max_megapixels, cfg.max_upload_mb)
            where = f"[{cfg.host}]" if ":" in cfg.host else cfg.host
            print(f"{model.name} is served at http://{where}:{cfg.port}; Ctrl-C ends it", flush=True)
            if not _is_local(cfg.host):
                print(
                    f"NOTE: host (={cfg.host}) lets others in without a password; the network must keep strangers out"
                )
            run(app, opened)


def _is_local(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def main() -> None:
    """Entry point of `fae-serve`."""
    cli.run(serve, "serve")


if __name__ == "__main__":
    main()
