"""Sector of a security: the US by GICS sector, India by the sector of the NSE's industry classification.

A table of public facts, since no data set of the platform carries them for every security. A ticker means different
companies on different exchanges (HAL is Halliburton and Hindustan Aeronautics), so a universe is looked up as a whole.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

UNCLASSIFIED: Final = "Unclassified"

UNITED_STATES: Final[dict[str, str]] = {
    "Communication Services": "CHTR CMCSA DIS GOOG GOOGL NFLX NWSA OMC T VZ",
    "Consumer Discretionary": "AMZN BBY CMG EBAY F GM HD LOW MCD NKE SBUX TSLA",
    "Consumer Staples": "COST KO KR MDLZ MO PEP PG PM TGT WMT",
    "Energy": "COP CVX EOG HAL KMI MPC OXY RRC SLB VLO XOM",
    "Financials": "AIG AXP BAC C GS JPM MA MS V WFC",
    "Health Care": "ABBV AMGN BIIB BMY CVS GILD JNJ LLY MDT MRK PFE UNH",
    "Industrials": "BA CAT CSX DAL GE HON LMT MMM UNP UPS",
    "Information Technology": "AAPL AMD AVGO CSCO IBM INTC MSFT MU NVDA ORCL QCOM",
    "Materials": "APD CF ECL FCX IP LYB NEM NUE PPG SHW",
    "Real Estate": "AMT AVB CCI DLR EQIX HST PLD PSA SPG VTR",
    "Utilities": "AEP D DUK ED EXC NEE PCG PPL SO SRE",
}
"""Tickers by GICS sector."""
INDIA: Final[dict[str, str]] = {
    "Automobile": "BAJAJ-AUTO BOSCHLTD EICHERMOT HEROMOTOCO HYUNDAI M&M MARUTI MOTHERSON TATAMOTORS",
    "Capital Goods": "ABB BEL CGPOWER CUMMINSIND ENRIN HAL MAZDOCK SIEMENS SOLARINDS",
    "Cement": "AMBUJACEM GRASIM SHREECEM ULTRACEMCO",
    "Chemicals": "PIDILITIND UPL",
    "Consumer Durables": "ASIANPAINT TITAN",
    "Consumer Services": "DMART ETERNAL INDHOTEL TRENT",
    "FMCG": "BRITANNIA GODREJCP HINDUNILVR ITC NESTLEIND TATACONSUM VBL",
    "Finance": "AXISBANK BAJAJFINSV BAJAJHLDNG BAJFINANCE BANKBARODA CHOLAFIN HDFC HDFCAMC HDFCBANK HDFCLIFE "
    "ICICIBANK INDUSINDBK IRFC JIOFIN KOTAKBANK PFC PNB RECLTD SBILIFE SBIN SHRIRAMFIN",
    "Healthcare": "APOLLOHOSP CIPLA DIVISLAB DRREDDY MAXHEALTH SUNPHARMA TORNTPHARM",
    "Infrastructure": "ADANIPORTS LT",
    "IT": "HCLTECH INFY TCS TECHM WIPRO",
    "Media": "ZEEL",
    "Metals": "ADANIENT HINDALCO HINDZINC JINDALSTEL JSWSTEEL TATASTEEL VEDL",
    "Oil and Gas": "BPCL COALINDIA GAIL IOC ONGC RELIANCE",
    "Power": "ADANIENSOL ADANIGREEN NTPC POWERGRID TATAPOWER",
    "Real Estate": "DLF LODHA",
    "Telecom": "BHARTIARTL",
    "Transport": "INDIGO",
}
"""NSE symbols by sector."""

_EXCHANGES: Final = tuple(
    {ticker: sector for sector, tickers in table.items() for ticker in tickers.split()}
    for table in (UNITED_STATES, INDIA)
)


def sectors_of(tickers: Iterable[str]) -> dict[str, str]:
    """Return the sector of every security of one exchange: of that which knows most of them.

    Parameters
    ----------
    tickers : iterable of str
        As the bars name them.

    Returns
    -------
    dict of str to str
        ``Unclassified`` for a security that is not in the table.

    Examples
    --------
    >>> sectors_of(["TCS", "HAL", "XYZ"])
    {'TCS': 'IT', 'HAL': 'Capital Goods', 'XYZ': 'Unclassified'}
    """
    wanted = list(tickers)
    known = max(_EXCHANGES, key=lambda exchange: sum(ticker in exchange for ticker in wanted))
    return {ticker: known.get(ticker, UNCLASSIFIED) for ticker in wanted}
