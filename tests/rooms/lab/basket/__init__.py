"""A model of baskets: holdings of any number, a risk that splits by holding, and a document that may be kept."""
