"""Jitterbug in a FastAPI application. Try it: ``uvicorn fastapi_app:app``."""

import secrets

from fastapi import FastAPI, Request, Response

from jitterbug import Jitterbug, Session

logins: dict[str, str] = {}  # yours: cookie and user


def session(request: Request) -> Session | None:
    login = request.cookies.get("login", "")
    return Session(login, subject=logins[login]) if login in logins else None


def authorize(session: Session, action: str, channel: str) -> bool:
    return action == "subscribe" and channel == f"orders/{session.subject}"


push = Jitterbug(session=session, authorize=authorize)
app = FastAPI(lifespan=push.lifespan)
push.install(app)


@app.post("/login/{user}")
async def log_in(user: str, response: Response) -> None:
    login = secrets.token_urlsafe()
    logins[login] = user
    response.set_cookie("login", login, httponly=True, samesite="strict")


@app.post("/orders/{user}/{order}/ship")
async def ship(user: str, order: int) -> None:
    await push.publish(f"orders/{user}", {"order": order, "status": "shipped"})
