"""What an assessor asks for, generated from the site file (`biogate security documents`)."""
