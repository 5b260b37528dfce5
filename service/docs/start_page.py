"""The page /: what answers here, and where to read on."""

from typing import Final

from service.docs.problems_page import STYLE

START: Final = f"""\
<!doctype html>
<html lang="zh">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>碳币 · Tanbi</title>
<style>{STYLE}</style>
</head>
<body>
<h1>碳币 <span lang="en">Tanbi</span></h1>
<p>智能回收箱上报称重，居民获得碳币，在商户和自助机消费。此处为接口服务。</p>
<p lang="en">Smart bins post weigh events, residents earn carbon coins and spend them. This is the service's API.</p>
<ul>
<li><a href="/docs">/docs</a> 接口文档 · <span lang="en">every path, with examples</span></li>
<li><a href="/public/recycling-rate">/public/recycling-rate</a> 回收利用率公开页 ·
<a lang="en" href="/public/recycling-rate?lang=en">the recycling rate, for everyone</a></li>
<li><a href="/problems">/problems</a> 错误代码 · <span lang="en">every error code and what to do</span></li>
<li><a href="/openapi.json">/openapi.json</a> <span lang="en">OpenAPI 3.1</span></li>
<li><a href="/readyz">/readyz</a> 运行状态 · <span lang="en">whether it can be sent requests</span></li>
</ul>
</body>
</html>
"""
