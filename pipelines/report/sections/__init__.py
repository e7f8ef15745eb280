"""The report's sections, one a file, each a function from ReportData to Section."""
