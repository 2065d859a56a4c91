from django.contrib.auth.models import AbstractUser
from django.db import models


class Account(AbstractUser):
    """Django's model without a user name, and with columns called otherwise."""

    username = None
    email = models.EmailField("email address", unique=True)
    first_name = models.CharField(max_length=150, blank=True, db_column="given_name")
    last_name = models.CharField(max_length=150, blank=True, db_column="family_name")

    USERNAME_FIELD = "email"
    REQUIRED_FIELDS = []
