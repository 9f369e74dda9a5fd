"""What the REST API takes and answers, as pydantic models with examples that are true."""
