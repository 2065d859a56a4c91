from django.contrib.auth.models import AbstractUser


class User(AbstractUser):
    """What Django's documentation tells a new project to begin with: its own model, and nothing changed."""
