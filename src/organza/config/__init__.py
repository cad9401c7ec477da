"""Configuration: partials (constructors with settings), their JSON form, and the types of their values."""

from organza.config.partial import Partial as Partial
from organza.config.partial import decode as decode
from organza.config.partial import describe as describe
from organza.config.partial import encode as encode
from organza.config.partial import own_modules as own_modules
from organza.config.partial import settings_of as settings_of
from organza.config.partial import trust_hint as trust_hint
from organza.config.partial import walk as walk
