"""Features as pure TensorFlow: mappers go row by row, analyzers make a full pass, `preprocessing_fn` composes."""
