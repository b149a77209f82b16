"""The style of the generated pages: no script, nothing from elsewhere, readable in print."""

STYLE = """
:root{color-scheme:light;font:15px/1.45 system-ui,sans-serif;color:#1c2530;background:#fff}
body{max-width:1180px;margin:2rem auto;padding:0 1.2rem}
h1{font-size:1.5rem}h2{margin-top:2.4rem;border-bottom:2px solid #d5dce4;padding-bottom:.2rem}
h3{margin:1.6rem 0 .4rem}
table{border-collapse:collapse;width:100%;font-size:.86rem}
th,td{border:1px solid #d5dce4;padding:.32rem .5rem;text-align:left;vertical-align:top}
thead th{background:#eef2f6}td{overflow-wrap:anywhere}
code{font-size:.82rem;background:#f3f5f8;padding:0 .2rem}small{color:#55626f}
dl{display:grid;grid-template-columns:max-content 1fr;gap:.15rem 1rem}dt{color:#55626f}
dd{margin:0;overflow-wrap:anywhere}
table.levels{width:auto}table.levels td{text-align:center;font-weight:600}
table.rows{table-layout:fixed}table.rows th:nth-child(1){width:9.5rem}
table.rows th:nth-child(2){width:15rem}table.rows th:nth-child(3){width:2.4rem}
table.rows th:nth-child(4){width:5.6rem}table.rows td:nth-child(3){white-space:nowrap}
ul.counts{list-style:none;display:flex;flex-wrap:wrap;gap:.8rem;padding:0}
ul.counts li{padding:.4rem .9rem;border-radius:.4rem;border:1px solid #d5dce4}
.counts .as-stated{background:#e3f4e7}.counts .leaks,.counts .blocks{background:#fbe4e2}
.counts .not-covered{background:#fdf3d7}
tr.leaks td,tr.blocks td,tr.refuted td{background:#fbe4e2}
tr.not-covered td{background:#fdf8e8}tr.asset-owner td{color:#55626f;background:#f7f8fa}
.warning{background:#fdf3d7;border-left:4px solid #d79b00;padding:.5rem .8rem}
svg{max-width:100%;height:auto}
@media print{body{max-width:none;margin:0}tr{break-inside:avoid}}
"""
