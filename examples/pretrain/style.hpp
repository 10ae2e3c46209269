#pragma once

namespace pretrain {

/// What reports and their charts look like.
inline constexpr const char* page_style = R"(
:root { --ink: #1c2430; --soft: #5c6675; --line: #e3e7ed; --accent: #3366cc; }
* { box-sizing: border-box; }
body { margin: 0; background: #f4f6f9; color: var(--ink); font: 16px/1.55 system-ui, "Segoe UI", "DejaVu Sans", sans-serif; }
main { max-width: 1040px; margin: 0 auto; padding: 40px 24px 64px; }
h1 { font-size: 30px; line-height: 1.2; margin: 0 0 6px; }
h2 { font-size: 19px; margin: 0 0 4px; }
h3 { font-size: 15px; margin: 12px 0 0; }
p { margin: 0 0 14px; color: var(--soft); }
section { background: #fff; border: 1px solid var(--line); border-radius: 12px; padding: 24px 28px; margin-top: 20px; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { text-align: right; padding: 10px 12px; border-bottom: 1px solid var(--line); }
th { font-weight: 600; color: var(--soft); font-size: 14px; }
th:first-child, td:first-child { text-align: left; }
tr:last-child td { border-bottom: 0; }
tr.trained td { font-weight: 700; font-size: 18px; }
tr.trained td:first-child { color: var(--accent); }
small { display: block; font-weight: 400; font-size: 12px; color: var(--soft); }
svg { display: block; width: 100%; height: auto; font: 13px system-ui, "Segoe UI", "DejaVu Sans", sans-serif; }
svg text { fill: var(--soft); }
.grid { stroke: var(--line); } .axis { stroke: #aab3c0; }
.curve { fill: none; stroke-width: 1.8; stroke-linejoin: round; }
.area { fill-opacity: .28; stroke-width: 1.4; }
circle { fill-opacity: .75; }
.pair { display: grid; grid-template-columns: 1fr 1fr; gap: 28px; }
.sheet { max-width: 100%; height: auto; image-rendering: pixelated; display: block; margin: 0 auto; }
@media (max-width: 760px) { .pair { grid-template-columns: 1fr; } section { padding: 18px 16px; } }
)";

}  // namespace pretrain
