from .analysis.compare import compare as compare
from .analysis.measure import Measure as Measure
from .analysis.measures import register_measure as register_measure
from .analysis.run import Run as Run
from .analysis.run import load_run as load_run
from .api.corrupt import corrupt as corrupt
from .api.data import verify_dataset as verify_dataset
from .api.run import plan as plan
from .api.run import run as run
from .api.score import Scores as Scores
from .api.score import score as score
from .conditions import Condition as Condition
from .conditions import corrupt_video as corrupt_video
from .datasets import Dataset as Dataset
from .datasets import Video as Video
from .datasets import open_dataset as open_dataset
from .errors import ContractError as ContractError
from .errors import DataError as DataError
from .errors import IncompleteError as IncompleteError
from .errors import RvosError as RvosError
from .errors import UsageError as UsageError
from .errors import WeightsError as WeightsError
from .models import ModelCard as ModelCard
from .models import StreamingAdapter as StreamingAdapter
from .models import VOSAdapter as VOSAdapter
from .models import load_adapter as load_adapter
from .reports.html import report as report
from .reports.leaderboard_files import leaderboard as leaderboard
from .reports.pack import pack as pack
from .runs.run import Listener as Listener

__version__: str
__all__: list[str]
