"""What an agent may ask for: lifecycle, models, capabilities, token limits, rates and the operator's own policies."""
