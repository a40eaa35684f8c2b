# The public names, where each is defined. `kwstrain` reads this file when it is imported, and type checkers do.

__version__: str
__all__: list[str]

from .config import TrainConfig as TrainConfig
from .evaluation.evaluate import evaluate as evaluate
from .inference.classifier import load as load
from .inference.predict import predict as predict
from .inference.recognizer import Recognizer as Recognizer
from .models import create as create
from .processes import together as together
from .training.fit import fit as fit
