"""Write functions/documentation/openapi.json. This only imports the functions: no AWS, no network."""

from scripts.openapi import merge

if __name__ == "__main__":
    document = merge.text()
    merge.DOCUMENT.write_text(document, encoding="utf-8")
    print(f"{merge.DOCUMENT.relative_to(merge.ROOT)}: {document.count('operationId')} operations")
