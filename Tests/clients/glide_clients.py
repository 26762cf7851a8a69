"""The two clients of Valkey GLIDE, the one that awaits and the one that does not, behind one face: tests are written once."""

import asyncio
import functools
import inspect
import threading

import glide
import glide_sync

# What goes wrong with a connection is the test's business, which sees the exception.
glide.Logger.set_logger_config(glide.LogLevel.OFF)
glide_sync.Logger.set_logger_config(glide_sync.LogLevel.OFF)

# What may be raised while a node is gone.
LOST = (
    glide.RequestError, glide.TimeoutError, glide.ConnectionError, glide.ClosingError,
    glide_sync.RequestError, glide_sync.TimeoutError, glide_sync.ConnectionError, glide_sync.ClosingError)


@functools.cache
def loop():
    """Where all clients that await live: GLIDE's core answers to the event loop on which it was first used, so there is one."""
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, daemon=True).start()
    return loop


class Glide:
    """One client. Its methods are GLIDE's, and each answers when it is done."""

    def __init__(self, kind, *addresses, cluster=False, channels=(), patterns=(), heard=None, **options):
        module = glide if kind == "async" else glide_sync
        self.module = module
        options = {"request_timeout": 10_000} | options
        configuration = module.GlideClusterClientConfiguration if cluster else module.GlideClientConfiguration
        if channels or patterns:
            modes = configuration.PubSubChannelModes
            options["pubsub_subscriptions"] = configuration.PubSubSubscriptions(
                channels_and_patterns={modes.Exact: set(channels), modes.Pattern: set(patterns)},
                callback=lambda message, _: heard.append((message.channel.decode(), message.message.decode())), context=None)
        client = module.GlideClusterClient if cluster else module.GlideClient
        self._client = self._finish(client.create(configuration(
            [module.NodeAddress(host, port) for host, port in addresses], **options)))

    def _finish(self, answer):
        if not inspect.isawaitable(answer):
            return answer

        async def wait():
            return await answer

        return asyncio.run_coroutine_threadsafe(wait(), loop()).result(60)

    def __getattr__(self, name):
        method = getattr(self._client, name)
        return lambda *words, **options: self._finish(method(*words, **options))

    def ask(self, *words):
        """Any command."""
        return self.custom_command([str(word) for word in words])

    def close(self):
        self._finish(self._client.close())

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
