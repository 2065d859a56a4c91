from django.contrib import admin
from django.contrib.auth.views import LoginView, LogoutView
from django.urls import include, path, re_path
from oauth2_provider.urls import metadata_urlpatterns
from rest_framework.authtoken.views import obtain_auth_token
from rest_framework_simplejwt.views import (
    TokenBlacklistView,
    TokenObtainPairView,
    TokenRefreshView,
    TokenVerifyView,
)

from . import views

names = "(?P<names>(?:{0})(?:-(?:{0}))*)".format("|".join(views.SCHEMES))

urlpatterns = [
    path("api/accounts/register/", views.Register.as_view()),
    path("api/accounts/profile/", views.Profile.as_view()),
    path("api/accounts/login/", views.Login.as_view()),
    path("api/accounts/logout/", views.Logout.as_view()),
    path("api/accounts/users/", views.Users.as_view()),
    path("api/token/", TokenObtainPairView.as_view()),
    path("api/token/refresh/", TokenRefreshView.as_view()),
    path("api/token/verify/", TokenVerifyView.as_view()),
    path("api/token/blacklist/", TokenBlacklistView.as_view()),
    path("api-token-auth/", obtain_auth_token),
    path("o/", include("oauth2_provider.urls", namespace="oauth2_provider")),
    path("", include((metadata_urlpatterns, "oauth2_metadata"))),
    path("admin/", admin.site.urls),
    path("accounts/login/", LoginView.as_view()),
    path("accounts/logout/", LogoutView.as_view()),
    path("api-auth/", include("rest_framework.urls")),
    path("probe/echo/", views.Echo.as_view()),
    re_path(f"^probe/scheme/{names}/$", views.Scheme.as_view()),
    re_path(f"^probe/open/{names}/$", views.Open.as_view()),
    *[path(f"probe/perm/{n}/", views.Permitted.as_view(permission_classes=c)) for n, c in views.PERMISSIONS.items()],
    *[path(f"probe/scope/{n}/", views.Scoped.as_view(**given)) for n, given in views.SCOPES.items()],
    *[path(f"probe/throttle/{n}/", views.Throttled.as_view(**given)) for n, given in views.THROTTLES.items()],
    path("probe/secure-api/", views.secure_api),
    path("probe/admin-only/", views.admin_only),
    path("probe/my-token/", views.MyToken.as_view()),
    path("probe/my-jwt/", views.MyJwt.as_view()),
    path("probe/hello-token/", views.HelloToken.as_view()),
    path("probe/add-data/", views.add_data),
    path("probe/parse/", views.Parse.as_view()),
    path("probe/csrf/", views.csrf),
    path("probe/plain/", views.plain),
    path("probe/needs-login/", views.needs_login),
    path("probe/needs-perm/", views.needs_perm),
    path("probe/plain-protected/", views.plain_protected),
    path("probe/plain-rw-protected/", views.plain_rw_protected),
    path("probe/session/", views.session),
    path("probe/session/set/", views.session_set),
]
