"""The named-entity disambiguator: text and candidates in, links out."""
