"""The spider of scrapy-redis: `scrapy runspider spider.py`; BENCH_REDIS is the address of its Redis.

Its settings are scrapy-redis' own, with as many requests at once as a fetcher of pyspider has.
"""

import json
import os
import time

from scrapy_redis.spiders import RedisSpider


def stored_now(item):
    """The item as scrapy-redis stores it, with the time of that."""
    return json.dumps(dict(item, at=time.time()))


class Pages(RedisSpider):
    name = "pages"
    custom_settings = {  # noqa: RUF012  as Scrapy wants it
        "SCHEDULER": "scrapy_redis.scheduler.Scheduler",
        "DUPEFILTER_CLASS": "scrapy_redis.dupefilter.RFPDupeFilter",
        "ITEM_PIPELINES": {"scrapy_redis.pipelines.RedisPipeline": 300},
        "REDIS_ITEMS_SERIALIZER": stored_now,
        "REDIS_URL": os.environ["BENCH_REDIS"],
        "CONCURRENT_REQUESTS": 100,
        "CONCURRENT_REQUESTS_PER_DOMAIN": 100,
        "DOWNLOAD_DELAY": 0,
        "RETRY_ENABLED": False,
        "TELNETCONSOLE_ENABLED": False,
        "LOG_LEVEL": "INFO",
    }

    def parse(self, response):
        for href in response.css("a::attr(href)").getall():
            yield response.follow(href)
        yield {"url": response.url, "title": response.css("title::text").get()}
