"""The options that pyspider 0.3.10 reads, by section (pyspider/run.py). It ignores any other key in silence.

processing_timeout, stop_seconds and renderers are read by this project's own launcher.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

_WORDS = {
    "": "config logging_config debug queue_maxsize taskdb projectdb resultdb message_queue amqp_url beanstalk "
    "phantomjs_proxy data_path add_sys_path",
    "scheduler": "xmlrpc xmlrpc_host xmlrpc_port inqueue_limit delete_time active_tasks loop_limit fail_pause_num "
    "scheduler_cls threads processing_timeout",
    "fetcher": "xmlrpc xmlrpc_host xmlrpc_port poolsize proxy user_agent timeout phantomjs_endpoint splash_endpoint "
    "fetcher_cls stop_seconds renderers",
    "processor": "processor_cls process_time_limit",
    "result_worker": "result_cls",
    "webui": "host port cdn scheduler_rpc fetcher_rpc max_rate max_burst username password need_auth webui_instance "
    "process_time_limit",
    "phantomjs": "phantomjs_path port auto_restart args",
    "all": "fetcher_num processor_num result_worker_num run_in",
    "one": "interactive phantomjs scripts",
    "bench": "fetcher_num processor_num result_worker_num run_in total show taskdb_bench message_queue_bench all_bench",
}
OPTIONS = {section: frozenset(words.split()) for section, words in _WORDS.items()}


def unknown_keys(config: Mapping[str, object]) -> Iterator[tuple[str, frozenset[str]]]:
    """Every key that pyspider would ignore, as `section.key`, with the keys that it knows there.

    `-` and `_` are the same; a key of which the value is an object is a section.
    """
    for key, value in config.items():
        name = key.replace("-", "_")
        if isinstance(value, Mapping) and name in OPTIONS and name:
            for inner in value:
                if inner.replace("-", "_") not in OPTIONS[name]:
                    yield f"{key}.{inner}", OPTIONS[name]
        elif name not in OPTIONS[""] and name not in OPTIONS:
            yield key, OPTIONS[""] | frozenset(OPTIONS) - {""}


def option(config: Mapping[str, object], name: str) -> object:
    """The value of a key however it is spelled; None where it is not there."""
    return next((value for key, value in config.items() if key.replace("-", "_") == name), None)
