"""How fast a cluster crawls, against pyspider started by hand and scrapy-redis: `./run bench crawl`."""
