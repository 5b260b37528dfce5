"""The page /docs: Swagger UI around our document, in one column that a phone can show."""

from typing import Final

INDEX: Final = """\
<!doctype html>
<html lang="zh">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>碳币 API 文档 · Tanbi API</title>
<link rel="icon" type="image/png" href="/docs/favicon-32x32.png">
<link rel="stylesheet" href="/docs/swagger-ui.css">
<style>
body { margin: 0; background: #fafafa; }
nav { font: 15px/1.5 system-ui, "Noto Sans CJK SC", "PingFang SC", "Microsoft YaHei", sans-serif; padding: .7rem 1rem;
      background: #1f3d2f; color: #fff; display: flex; flex-wrap: wrap; gap: .2rem 1.2rem; }
nav b { flex: 1 1 100%; }
nav a { color: #bfe8cf; }
.swagger-ui .response-col_links { display: none; }
@media (max-width: 600px) {
  .swagger-ui .wrapper { padding: 0 10px; }
  .swagger-ui .information-container.wrapper { padding: 0 10px 10px; }
  .swagger-ui .info { margin: 20px 0; }
  .swagger-ui .opblock-summary { flex-wrap: wrap; }
  .swagger-ui .opblock-description-wrapper, .swagger-ui .responses-inner { padding: 10px; }
  .swagger-ui table { table-layout: fixed; }
  .swagger-ui .response-col_status { width: 3.2em; }
  .swagger-ui .parameters-col_name { width: 38%; }
  .swagger-ui .markdown, .swagger-ui td, .swagger-ui .model { overflow-wrap: anywhere; }
  .swagger-ui .microlight, .swagger-ui .highlight-code > pre, .swagger-ui select { max-width: 100%; }
}
</style>
</head>
<body>
<nav><b>碳币 API 文档 · <span lang="en">Tanbi API</span></b>
<a href="/problems">错误代码 <span lang="en">Problems</span></a>
<a href="/openapi.json">openapi.json (3.1)</a></nav>
<noscript><p>本页需要 JavaScript；接口文档也可直接阅读 <a href="/openapi.json">/openapi.json</a>。</p></noscript>
<main id="viewer"></main>
<script src="/docs/swagger-ui-bundle.js"></script>
<script src="/docs/initializer.js"></script>
</body>
</html>
"""

# The viewer at hand (4.15) reads OpenAPI up to 3.0. No validator badge: it would send the address to another host.
INITIALIZER: Final = """\
SwaggerUIBundle({
  url: "/docs/openapi-3.0.json",
  dom_id: "#viewer",
  deepLinking: true,
  validatorUrl: null,
  queryConfigEnabled: false,
  defaultModelsExpandDepth: 0,
  docExpansion: "list",
  presets: [SwaggerUIBundle.presets.apis],
});
"""
