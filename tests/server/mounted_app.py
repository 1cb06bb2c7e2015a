"""An application of somebody's with a hub in it, for servers that are started as commands."""

from fastapi import FastAPI

from jitterbug import Config, Jitterbug

push = Jitterbug(config=Config.profile("realtime", development=True, drain_s=0.5))
app = FastAPI(lifespan=push.lifespan)
push.install(app)
